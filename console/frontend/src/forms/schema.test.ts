import { describe, expect, it } from "vitest";
import { fieldOf, labelOf, type Field } from "./schema";

const ORDER = {
  type: "object",
  title: "Order",
  properties: {
    order_id: { type: "string", minLength: 1 },
    amount: { type: "integer", exclusiveMinimum: 0, maximum: 100 },
    is_gift: { type: "boolean", default: false },
    size: { enum: ["s", "m", null] },
    note: { anyOf: [{ type: "string" }, { type: "null" }], default: null, description: "For the parcel." },
    items: { type: "array", items: { $ref: "#/$defs/Item" }, minItems: 1 },
    ship_to: { $ref: "#/$defs/Address", description: "Where to." },
    either: { anyOf: [{ type: "string" }, { type: "integer" }] },
    when: { type: "string", format: "date" },
    free: { type: "object", additionalProperties: true },
  },
  required: ["order_id", "amount"],
  $defs: {
    Item: { type: "object", properties: { sku: { type: "string" }, parts: { type: "array", items: { $ref: "#/$defs/Item" } } } },
    Address: { type: "object", title: "Address", properties: { city: { type: "string" } } },
  },
};

function member(field: Field, name: string): Field {
  const found = field.kind === "group" ? field.members.find((one) => one.name === name) : undefined;
  if (!found) throw new Error(`no ${name}`);
  return found.field;
}

describe("fieldOf", () => {
  const order = fieldOf(ORDER);

  it("has a member for each property, in order, with what is required", () => {
    expect(order.kind === "group" && order.members.map((one) => one.name)).toEqual(Object.keys(ORDER.properties));
    expect(order.kind === "group" && order.members.filter((one) => one.isRequired).map((one) => one.name)).toEqual(["order_id", "amount"]);
  });

  it("reads the plain types with their limits", () => {
    expect(member(order, "order_id")).toMatchObject({ kind: "text", minLength: 1, title: "Order id" });
    expect(member(order, "amount")).toMatchObject({ kind: "number", isInteger: true, min: 0, max: 100, isOpen: { min: true, max: false } });
    expect(member(order, "is_gift")).toMatchObject({ kind: "switch", preset: false });
    expect(member(order, "when")).toMatchObject({ kind: "text", input: "date" });
  });

  it("takes null out of what can be chosen, and says that it can be left out", () => {
    expect(member(order, "size")).toMatchObject({ kind: "choice", isNullable: true, options: [{ value: "s" }, { value: "m" }] });
    expect(member(order, "note")).toMatchObject({ kind: "text", isNullable: true, help: "For the parcel.", preset: null, isLong: true });
    expect(fieldOf({ type: ["number", "null"] })).toMatchObject({ kind: "number", isNullable: true });
  });

  it("follows references, keeping what stands beside them", () => {
    expect(member(order, "ship_to")).toMatchObject({ kind: "group", help: "Where to.", title: "Address" });
    expect(fieldOf({ allOf: [{ type: "string" }], description: "A word" })).toMatchObject({ kind: "text", help: "A word" });
  });

  it("leaves to JSON what contains itself, says nothing, or cannot be found", () => {
    const items = member(order, "items");
    const item = items.kind === "list" ? items.item : items;
    const parts = member(item, "parts");

    expect(parts.kind === "list" && parts.item.kind).toBe("json");
    expect(member(order, "free").kind).toBe("json");
    expect([fieldOf(null).kind, fieldOf({}).kind, fieldOf({ $ref: "#/$defs/Gone" }).kind, fieldOf({ $ref: "http://x/y" }).kind]).toEqual(["json", "json", "json", "json"]);
  });

  it("offers each form where there are several", () => {
    const either = member(order, "either");
    expect(either.kind === "variants" && either.variants.map((one) => one.kind)).toEqual(["text", "number"]);
    expect(fieldOf({ oneOf: [{ const: "a" }, { const: "b" }] })).toMatchObject({ kind: "choice", options: [{ value: "a" }, { value: "b" }] });
  });

  it("survives schemas of any shape", () => {
    for (const odd of [{ type: 3 }, { anyOf: "x" }, { anyOf: [] }, { enum: [] }, { properties: [] }, { type: [] }, [], "x", { items: 3, type: "array" }]) {
      expect(fieldOf(odd).kind).toBeTypeOf("string");
    }
  });
});

describe("labelOf", () => {
  it("reads names as people do", () => {
    expect([labelOf("order_id"), labelOf("isGift"), labelOf("__")]).toEqual(["Order id", "Is Gift", "__"]);
  });
});
