import { describe, expect, it } from "vitest";
import type { HandOffView } from "../api/types";
import { choosings, remaining } from "./choices";

const handOff = (given: Partial<HandOffView>): HandOffView => ({
  id: "3f9ca1b2-1",
  run: "agent/support/order-4711",
  agent: "support",
  kind: "approval",
  subject: "refund",
  reason: "The agent asks to call refund.",
  choices: ["approve", "deny", "stop"],
  state: "open",
  opened_at: "2026-11-25T10:00:00Z",
  claimed_by: null,
  escalated_to: null,
  choice: null,
  decided_by: null,
  decided_at: null,
  note: null,
  about: {},
  value: null,
  ...given,
});

const gives = (given: Partial<HandOffView>) => Object.fromEntries(choosings(handOff(given)).map((one) => [one.choice, one.gives]));

describe("choosings", () => {
  it("offers the arguments of a call for editing where its schema is known", () => {
    const about = { tool: "refund", args: { amount: 40 }, schema: { type: "object" } };

    expect(gives({ about })["approve"]).toEqual({ kind: "args", args: { amount: 40 }, schema: { type: "object" } });
    expect(gives({ about: { tool: "refund", args: {} } })["approve"]).toEqual({ kind: "nothing" });
  });

  it("makes the first choice the main one, and marks what cannot be taken back", () => {
    expect(choosings(handOff({})).map((one) => `${one.choice} ${one.tone}`)).toEqual(["approve main", "deny plain", "stop danger"]);
  });

  it("asks for an answer by the schema of the question", () => {
    const schema = { type: "integer" };

    expect(gives({ kind: "question", choices: ["answer", "tell"], about: { schema } })["answer"]).toMatchObject({ schema, isRequired: true });
  });

  it("takes an optional value with the choices of a plan that declares one", () => {
    const found = gives({ kind: "question", choices: ["keep", "stop"], about: { schema: { type: "string" } } });

    expect([found["keep"]?.kind, found["stop"]?.kind]).toEqual(["value", "nothing"]);
  });

  it("suggests a cap, and the models that what is left would pay for", () => {
    const found = gives({ kind: "budget", choices: ["model", "raise"], about: { suggested: "2usd", models: ["a:b"] } });

    expect(found).toEqual({ model: { kind: "model", models: ["a:b"] }, raise: { kind: "cap", suggested: "2usd" } });
  });

  it("says of an unknown outcome what each choice means for the world", () => {
    const labels = choosings(handOff({ kind: "unknown", choices: ["done", "retry", "tell", "stop"] })).map((one) => one.label);

    expect(labels).toEqual(["It happened", "It did not happen", "It failed", "Stop the run"]);
  });

  it("reads choices of a plan's own as words", () => {
    expect(choosings(handOff({ choices: ["keep_all"] }))[0]).toMatchObject({ label: "Keep all", tone: "main" });
  });
});

describe("remaining", () => {
  it("keeps what has no place of its own", () => {
    expect(remaining({ tool: "x", args: {}, schema: {}, effect_key: "k" })).toEqual({ effect_key: "k" });
  });
});
