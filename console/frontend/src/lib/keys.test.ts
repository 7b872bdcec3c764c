import { expect, test } from "vitest";
import { nameOf, resolve } from "./keys";

const bind = (keys: string) => ({ keys, what: keys, then: () => undefined });
const ALL = [bind("g b"), bind("b"), bind("mod+k")];

test("a sequence is found by its second key, and a key alone by itself", () => {
  expect(resolve(ALL, "", "g")).toEqual({ begun: "g" });
  expect(resolve(ALL, "g", "b").hit?.keys).toBe("g b");
  expect(resolve(ALL, "", "b").hit?.keys).toBe("b");
});

test("a key that goes on with nothing begun counts as itself", () => {
  expect(resolve([...ALL, bind("j")], "g", "j").hit?.keys).toBe("j");
  expect(resolve(ALL, "g", "x")).toEqual({ begun: "" });
});

test("Ctrl and the command key are one", () => {
  const press = { altKey: false, ctrlKey: false, metaKey: false };

  expect(nameOf({ ...press, key: "K", metaKey: true })).toBe("mod+k");
  expect(nameOf({ ...press, key: "k", ctrlKey: true })).toBe("mod+k");
  expect(nameOf({ ...press, key: "?" })).toBe("?");
});
