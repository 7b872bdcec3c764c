import { expect, test } from "vitest";
import { match, pageOf } from "./router";

test("a pattern names the parts of a path, decoded", () => {
  expect(match("/batches/:id", "/batches/a%20b")).toEqual({ id: "a b" });
  expect(match("/batches/:id", "/batches")).toBeNull();
  expect(match("/batches/:id", "/batches/a/b")).toBeNull();
  expect(match("/runs/:kind/:name/:id*", "/runs/agent/support/a/b")).toEqual({ kind: "agent", name: "support", id: "a/b" });
  expect(match("/runs/:kind/:name/:id*", "/runs/agent/support")).toBeNull();
  expect(match("/batches/:id", "/batches/%zz")).toEqual({ id: "%zz" });
});

test("a whole id leads to its page", () => {
  expect(pageOf("agent/support/order-4711")).toBe("/runs/agent/support/order-4711");
  expect(pageOf("batch/two")).toBe("/batches/two");
  expect(pageOf("two", "batch")).toBe("/batches/two");
  expect(pageOf("agent/support/a?b")).toBe("/runs/agent/support/a%3Fb");
});
