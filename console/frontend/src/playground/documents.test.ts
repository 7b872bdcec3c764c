import { describe, expect, it } from "vitest";
import { documentsOf } from "./documents";

describe("documentsOf", () => {
  it("takes addresses for addresses, and anything else for text", () => {
    const typed = " https://example.com/a \n\nLamps are bright.\nsee https://example.com\nfile:///etc/passwd";

    expect(documentsOf(typed)).toEqual([
      { uri: "https://example.com/a" },
      { text: "Lamps are bright." },
      { text: "see https://example.com" },
      { text: "file:///etc/passwd" },
    ]);
  });
});
