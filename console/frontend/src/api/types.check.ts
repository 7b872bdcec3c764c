/** Compiles only where the types of these pages are what the API says: `schema.d.ts` is made from its description. */
import type { Outline, Row } from "../runs/types";
import type { components } from "./schema";
import type * as own from "./types";

type Wire = components["schemas"];

/** The API sends every field, also those that have a default; words are no more than text to its description. */
type Sent<T> = T extends string
  ? string
  : T extends readonly (infer Item)[]
    ? Sent<Item>[]
    : T extends object
      ? { [Name in keyof T]-?: Sent<Exclude<T[Name], undefined>> }
      : T;

/** True, or the fields that are not so. */
type Fits<Own, Said> = Sent<Said> extends Sent<Own> ? true : Misfits<Sent<Own>, Sent<Said>>;
type Misfits<Own, Said> = {
  [Name in keyof Own as Name extends keyof Said ? (Said[Name] extends Own[Name] ? never : Name) : Name]: Own[Name];
};

type Pairs = {
  Session: Fits<own.Session, Wire["SessionView"]>;
  Home: Fits<own.Home, Wire["HomeView"]>;
  BatchCard: Fits<own.BatchCard, Wire["BatchCard"]>;
  BatchPage: Fits<own.BatchPage, Wire["BatchDetail"]>;
  Series: Fits<own.Series, Wire["SeriesView"]>;
  DocumentPage: Fits<own.DocumentPage, Wire["DocumentPage"]>;
  DocumentDetail: Fits<own.DocumentDetail, Wire["DocumentDetail"]>;
  FailureGroup: Fits<own.FailureGroup, Wire["FailureView"]>;
  MoneyView: Fits<own.MoneyView, Wire["MoneyView"]>;
  BudgetView: Fits<own.BudgetView, Wire["BudgetView"]>;
  Fleet: Fits<own.Fleet, Wire["FleetView"]>;
  RunView: Fits<own.RunView, Wire["RunView"]>;
  HandOffView: Fits<own.HandOffView, Wire["HandOffView"]>;
  AppView: Fits<own.AppView, Wire["AppView"]>;
  Row: Fits<Row, Wire["Row"]>;
  Outline: Fits<Outline, Wire["OutlineView"]>;
};

type AllFit = { [Name in keyof Pairs]: true };

export const typesFit = (pairs: Pairs): AllFit => pairs;
