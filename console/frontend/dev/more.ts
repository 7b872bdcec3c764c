import type { Answers, Topics } from "./mock.ts";

export const MORE: { answers: Answers; topics: Topics } = { answers: {}, topics: {} };
