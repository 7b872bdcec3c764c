import { expect, test } from "vitest";
import type { Series } from "../api/types";
import { derived } from "./batch-overview";

const series: Series = {
  step_seconds: 10,
  times: [1000, 1010, 1020],
  done: [10, 0, 4],
  failed: [1, 0, 1],
  calls: [11, 0, 5],
  input_tokens: [100, 0, 50],
  output_tokens: [10, 0, 5],
  usd_nanos: [5, 0, 2],
  p50_seconds: [1, null, 1],
  p95_seconds: [2, null, 2],
};

test("a step that is not over has no rate yet, but counts in sums", () => {
  const found = derived(series, 1025);

  expect(found.done).toEqual([60, 0, null]);
  expect(found.progress).toEqual([11, 11, 16]);
  expect(found.spent).toEqual([5, 5, 7]);
});

test("when all steps are over, all have a rate", () => {
  expect(derived(series, 1030).failed).toEqual([6, 0, 6]);
});
