/** From a JSON schema to the fields of a form. What a form cannot show is left to be written as JSON. */

export type Schema = { readonly [key: string]: unknown };

interface Common {
  title: string;
  help: string;
  /** Whether null is a value of it. */
  isNullable: boolean;
  /** What is taken where nothing is given; undefined for none. */
  preset: unknown;
}

export type Field =
  | (Common & { kind: "text"; isLong: boolean; input: string; minLength: number; maxLength: number | null; pattern: string | null })
  | (Common & { kind: "number"; isInteger: boolean; min: number | null; max: number | null; isOpen: { min: boolean; max: boolean } })
  | (Common & { kind: "switch" })
  | (Common & { kind: "choice"; options: { label: string; value: unknown }[] })
  | (Common & { kind: "list"; item: Field; least: number; most: number | null })
  | (Common & { kind: "group"; members: Member[] })
  | (Common & { kind: "variants"; variants: Field[] })
  | (Common & { kind: "json" }); // prettier-ignore

export interface Member {
  name: string;
  field: Field;
  isRequired: boolean;
}

const DEEPEST = 6; // levels of objects in objects; deeper ones are written as JSON
const INPUTS: Record<string, string> = { date: "date", email: "email", uri: "url", time: "time" };

/** Returns the field for values of a schema; null and schemas that say nothing take any JSON. */
export function fieldOf(schema: unknown): Field {
  return new Reader(isObject(schema) ? schema : {}).field(schema, "", []);
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

/** `order_id` as people read it: "Order id". */
export function labelOf(name: string): string {
  const words = name.replace(/([a-z\d])([A-Z])/g, "$1 $2").replace(/[_-]+/g, " ").trim();
  return words === "" ? name : words.charAt(0).toUpperCase() + words.slice(1);
}

class Reader {
  constructor(private readonly root: Schema) {}

  field(given: unknown, name: string, path: readonly string[]): Field {
    if (path.length > DEEPEST || !isObject(given)) return json(common(isObject(given) ? given : {}, name));
    const ref = textOf(given["$ref"]);
    if (ref !== "") {
      const target = path.includes(ref) ? null : this.resolved(ref);
      if (target === null) return json(common(given, name));
      const { $ref: _ref, ...beside } = given;
      return this.field({ ...target, ...beside }, name, [...path, ref]);
    }
    const several = given["allOf"];
    if (Array.isArray(several) && several.length === 1 && isObject(several[0])) {
      const { allOf: _allOf, ...beside } = given;
      return this.field({ ...several[0], ...beside }, name, path);
    }
    return this.plain(given, name, path);
  }

  private resolved(ref: string): Schema | null {
    if (!ref.startsWith("#/")) return null;
    let found: unknown = this.root;
    for (const part of ref.slice(2).split("/")) {
      const key = decodeURIComponent(part).replace(/~1/g, "/").replace(/~0/g, "~");
      found = isObject(found) ? found[key] : undefined;
    }
    return isObject(found) ? found : null;
  }

  private plain(schema: Schema, name: string, path: readonly string[]): Field {
    const shared = common(schema, name);
    const either = schema["anyOf"] ?? schema["oneOf"];
    if (Array.isArray(either)) return this.either(either, schema, name, path);
    if (Array.isArray(schema["type"])) {
      const { type, ...rest } = schema;
      return this.either((type as unknown[]).map((one) => ({ ...rest, type: one })), { ...schema }, name, path);
    }
    if ("const" in schema) return { ...shared, kind: "choice", options: [option(schema["const"])] };
    if (Array.isArray(schema["enum"])) return choice(schema["enum"], shared);
    switch (schema["type"]) {
      case "string":
        return text(schema, shared, name);
      case "integer":
      case "number":
        return number(schema, shared);
      case "boolean":
        return { ...shared, kind: "switch" };
      case "array":
        return this.list(schema, shared, name, path);
      case "object":
        return this.group(schema, shared, path);
      default:
        return isObject(schema["properties"]) ? this.group(schema, shared, path) : json(shared);
    }
  }

  private either(given: unknown[], schema: Schema, name: string, path: readonly string[]): Field {
    const isNull = (one: unknown) => isObject(one) && one["type"] === "null";
    const rest = given.filter((one) => !isNull(one));
    const shared = { ...common(schema, name), isNullable: rest.length < given.length };
    if (rest.length === 1 && isObject(rest[0])) {
      const found = this.field(rest[0], name, path);
      return { ...found, ...shared, title: shared.title, help: shared.help || found.help };
    }
    if (rest.length > 0 && rest.every((one) => isObject(one) && ("const" in one || Array.isArray(one["enum"])))) {
      const values = rest.flatMap((one) => (isObject(one) ? (one["enum"] ?? [one["const"]]) : []) as unknown[]);
      return { ...choice(values, shared), isNullable: shared.isNullable };
    }
    const variants = rest.map((one, at) => this.field(one, variantName(one, at), path));
    return variants.length === 0 ? json(shared) : { ...shared, kind: "variants", variants };
  }

  private list(schema: Schema, shared: Common, name: string, path: readonly string[]): Field {
    const items = schema["items"];
    if (!isObject(items)) return json(shared);
    const item = this.field(items, "", [...path, `${name}[]`]);
    return { ...shared, kind: "list", item, least: numberOf(schema["minItems"]) ?? 0, most: numberOf(schema["maxItems"]) };
  }

  private group(schema: Schema, shared: Common, path: readonly string[]): Field {
    const properties = schema["properties"];
    if (!isObject(properties)) return json(shared);
    const required = Array.isArray(schema["required"]) ? schema["required"] : [];
    const members = Object.entries(properties).map(([name, inner]) => ({
      name,
      field: this.field(inner, name, [...path, name]),
      isRequired: required.includes(name),
    }));
    return { ...shared, kind: "group", members };
  }
}

function common(schema: Schema, name: string): Common {
  return {
    title: textOf(schema["title"]) || labelOf(name),
    help: textOf(schema["description"]),
    isNullable: schema["type"] === "null",
    preset: schema["default"],
  };
}

function variantName(schema: unknown, at: number): string {
  if (!isObject(schema)) return `Form ${at + 1}`;
  const ref = textOf(schema["$ref"]).split("/").pop() ?? "";
  return textOf(schema["title"]) || ref || textOf(schema["type"]) || `form ${at + 1}`;
}

function json(shared: Common): Field {
  return { ...shared, kind: "json" };
}

function option(value: unknown): { label: string; value: unknown } {
  return { label: typeof value === "string" ? value : JSON.stringify(value), value };
}

function choice(values: unknown[], shared: Common): Field {
  const real = values.filter((value) => value !== null);
  return { ...shared, kind: "choice", isNullable: shared.isNullable || real.length < values.length, options: real.map(option) };
}

const LONG_NAMES = /(text|body|content|description|instruction|message|note|prompt|question|reason|summary)$/i;

function text(schema: Schema, shared: Common, name: string): Field {
  const maxLength = numberOf(schema["maxLength"]);
  const input = INPUTS[textOf(schema["format"])] ?? "text";
  const isLong = input === "text" && (maxLength === null ? LONG_NAMES.test(name) : maxLength > 200);
  const pattern = textOf(schema["pattern"]) || null;
  return { ...shared, kind: "text", isLong, input, minLength: numberOf(schema["minLength"]) ?? 0, maxLength, pattern };
}

function number(schema: Schema, shared: Common): Field {
  const below = numberOf(schema["exclusiveMaximum"]);
  const above = numberOf(schema["exclusiveMinimum"]);
  return {
    ...shared,
    kind: "number",
    isInteger: schema["type"] === "integer",
    min: numberOf(schema["minimum"]) ?? above,
    max: numberOf(schema["maximum"]) ?? below,
    isOpen: { min: above !== null, max: below !== null },
  };
}
