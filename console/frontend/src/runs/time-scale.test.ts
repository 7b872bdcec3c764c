import { describe, expect, it } from "vitest";
import { elapsed, placeOf, tickStep, ticksOf, timeScale, united } from "./time-scale";

const DAY = 86_400_000;

describe("united", () => {
  it("joins spans that touch or overlap", () => {
    const spans = [{ from: 5, to: 6 }, { from: 0, to: 2 }, { from: 1, to: 3 }, { from: 3, to: 4 }];

    expect(united(spans)).toEqual([{ from: 0, to: 4 }, { from: 5, to: 6 }]);
  });
});

describe("timeScale", () => {
  it("is even where nothing is waited for long", () => {
    const scale = timeScale([{ from: 0, to: 4_000 }, { from: 6_000, to: 10_000 }], { from: 0, to: 10_000 });

    expect(placeOf(scale, 0)).toBe(0);
    expect(placeOf(scale, 5_000)).toBeCloseTo(0.5);
    expect(placeOf(scale, 10_000)).toBe(1);
    expect(scale.segments.some((one) => one.isGap)).toBe(false);
  });

  it("shows three days of waiting short, so that the work on both sides can be seen", () => {
    const scale = timeScale([{ from: 0, to: 60_000 }, { from: 3 * DAY, to: 3 * DAY + 60_000 }], { from: 0, to: 3 * DAY + 60_000 });

    const gap = scale.segments.filter((one) => one.isGap);
    expect(gap).toHaveLength(1);
    expect(gap[0]!.x1 - gap[0]!.x0).toBeLessThan(0.1);
    expect(placeOf(scale, 60_000)).toBeGreaterThan(0.4);
    expect(placeOf(scale, 3 * DAY)).toBeLessThan(0.6);
  });

  it("never goes back, whatever the spans", () => {
    const spans = Array.from({ length: 300 }, (_, at) => ({ from: (at * 7919) % 100_000, to: ((at * 7919) % 100_000) + at }));
    const scale = timeScale(spans, { from: -5_000, to: 120_000 });

    let before = 0;
    for (let at = -6_000; at <= 121_000; at += 37) {
      const place = placeOf(scale, at);
      expect(place).toBeGreaterThanOrEqual(before);
      before = place;
    }
    expect(before).toBeCloseTo(1);
  });

  it("holds where a run has only begun", () => {
    const scale = timeScale([], { from: 1_000, to: 1_000 });

    expect(placeOf(scale, 1_000)).toBe(0);
    expect(ticksOf(scale, 8)[0]).toEqual({ x: 0, label: "0" });
  });
});

describe("ticks", () => {
  it("count in steps that people count in", () => {
    expect([tickStep(10_000, 8), tickStep(95_000, 8), tickStep(3 * DAY, 8)]).toEqual([2_000, 15_000, DAY / 2]);
  });

  it("stand at whole steps from the begin, none in a gap", () => {
    const scale = timeScale([{ from: 0, to: 10_000 }, { from: DAY, to: DAY + 10_000 }], { from: 0, to: DAY + 10_000 });

    const labels = ticksOf(scale, 8).map((tick) => tick.label);

    expect(labels.slice(0, 3)).toEqual(["0", "5 s", "10 s"]);
    expect(labels.length).toBeLessThanOrEqual(8);
    expect(labels.at(-1)).toMatch(/^1 d/);
  });

  it("are counted from the begin of the run, also where only a part of it is shown", () => {
    const scale = timeScale([{ from: 63_000, to: 67_000 }], { from: 63_000, to: 67_000 }, 0);

    expect(ticksOf(scale, 8).map((tick) => tick.label)).toEqual(["1:03.0", "1:03.5", "1:04.0", "1:04.5", "1:05.0", "1:05.5", "1:06.0", "1:06.5", "1:07.0"]);
  });

  it("are as exact as their step", () => {
    expect(elapsed(1_500, 500)).toBe("1.5 s");
    expect(elapsed(83_000, 1_000)).toBe("1:23");
    expect(elapsed(7_200_000, 1_800_000)).toBe("2:00 h");
    expect(elapsed(2 * DAY + 3_600_000, 3_600_000)).toBe("2 d 1:00 h");
    expect(elapsed(3 * DAY, DAY)).toBe("3 d");
  });
});
