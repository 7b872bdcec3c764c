import { describe, expect, it } from "vitest";
import { ABSENT, draftOf, valueOf, type Draft } from "./draft";
import { fieldOf } from "./schema";

const raw = (text: string): Draft => ({ kind: "raw", text });
const group = (members: Record<string, Draft>): Draft => ({ kind: "group", members });

describe("draftOf and valueOf", () => {
  const schema = {
    type: "object",
    properties: {
      id: { type: "string" },
      count: { type: "integer", minimum: 1 },
      sure: { type: "boolean" },
      size: { enum: ["s", "m"] },
      tags: { type: "array", items: { type: "string" } },
      note: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
      either: { anyOf: [{ type: "string" }, { type: "integer" }] },
      inner: { type: "object", properties: { a: { type: "number" } }, required: ["a"] },
      any: {},
    },
    required: ["id", "count"],
  };
  const field = fieldOf(schema);

  it("give back what they were given", () => {
    const value = {
      id: "x",
      count: 3,
      sure: true,
      size: "m",
      tags: ["a", ""],
      note: null,
      either: 4,
      inner: { a: 0.5 },
      any: { deep: [1, null] },
    };

    expect(valueOf(field, draftOf(field, value))).toEqual({ value, faults: [] });
  });

  it("leave out what nobody gave and nobody requires", () => {
    const draft = draftOf(field, { id: "x", count: 1 });

    const { value, faults } = valueOf(field, draft);

    expect(faults).toEqual([]);
    expect(value).toEqual({ id: "x", count: 1, note: null });
  });

  it("name the field that is wrong", () => {
    const draft = group({ id: raw("x"), count: raw("0"), inner: group({ a: raw("") }), tags: { kind: "list", items: [ABSENT] } });

    const { faults } = valueOf(field, draft);

    expect(faults).toEqual([
      { path: ["count"], message: "Give 1 or more." },
      { path: ["tags", 0], message: "Fill this in." },
      { path: ["inner", "a"], message: "Give a number." },
    ]);
  });

  it("tell a whole number from another, and a number from a word", () => {
    const count = fieldOf({ type: "integer", exclusiveMaximum: 10 });

    expect(valueOf(count, raw("1.5")).faults[0]?.message).toBe("Give a whole number.");
    expect(valueOf(count, raw("many")).faults[0]?.message).toBe("many is no number.");
    expect(valueOf(count, raw("10")).faults[0]?.message).toBe("Give less than 10.");
    expect(valueOf(count, raw(" 9 "))).toEqual({ value: 9, faults: [] });
  });

  it("keep an empty text that is allowed, and null where it is", () => {
    const text = fieldOf({ anyOf: [{ type: "string" }, { type: "null" }] });

    expect([valueOf(text, raw("")).value, valueOf(text, ABSENT).value]).toEqual(["", null]);
    expect(valueOf(fieldOf({ type: "string", minLength: 1 }), raw("")).faults).toHaveLength(1);
  });

  it("read any JSON, and say where it is none", () => {
    expect(valueOf(fieldOf({}), raw('{"a": [1]}')).value).toEqual({ a: [1] });
    expect(valueOf(fieldOf({}), raw("{a}")).faults[0]?.message).toMatch(/^This is no JSON/);
  });

  it("take a member named like one of every object's own for what it is", () => {
    const odd = fieldOf(JSON.parse('{"type": "object", "properties": {"__proto__": {"type": "string"}}, "required": ["__proto__"]}'));
    const value = JSON.parse('{"__proto__": "x"}') as unknown;

    expect(JSON.stringify(valueOf(odd, draftOf(odd, value)).value)).toBe('{"__proto__":"x"}');
  });
});
