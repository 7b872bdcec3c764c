/** Documents as they are typed: one in a line, an address or the text itself. */
export interface DocumentBody {
  uri?: string;
  text?: string;
}

export function documentsOf(typed: string): DocumentBody[] {
  return typed
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => (/^https?:\/\/\S+$/.test(line) ? { uri: line } : { text: line }));
}
