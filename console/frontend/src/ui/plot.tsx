/** Lines over time, drawn by uPlot: with a crosshair, and as a table for whoever reads no plots. */
import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { clock, wholeMoment } from "../lib/format";
import { colour, themeVersion } from "../lib/theme";
import { Choices } from "./controls";
import { Icon } from "./icons";

export interface Line {
  name: string;
  values: readonly (number | null)[];
  /** Token of its colour. */
  colour: "--plot-1" | "--plot-2" | "--plot-3" | "--plot-4" | "--bad-mark" | "--good-mark";
  isFilled?: boolean;
}

interface PlotProps {
  title: string;
  /** Seconds since the epoch. */
  times: readonly number[];
  lines: readonly Line[];
  /** How a value is written; the same on the axis. */
  write: (value: number) => string;
  /** The axis reaches at least so far, so that small values do not look large. */
  least: number;
  /** Whether the axis has whole numbers alone. */
  isWhole?: boolean;
}

const WHOLE = [1, 2, 5].flatMap((digit) => Array.from({ length: 12 }, (_, zeros) => digit * 10 ** zeros)).sort((a, b) => a - b);

const HEIGHT = 176;
const TABLE_ROWS = 240;

export function Plot({ title, times, lines, write, least, isWhole = false }: PlotProps) {
  const [view, show] = useState<"plot" | "table">("plot");
  return (
    <figure class="plot stack tight" aria-label={title}>
      <div class="row apart">
        <h3>{title}</h3>
        <Choices
          label={`${title} as`}
          value={view}
          onChange={show}
          options={[
            ["plot", <><Icon name="plot" small /><span class="unseen">Plot</span></>],
            ["table", <><Icon name="table" small /><span class="unseen">Table</span></>],
          ]}
        />
      </div>
      {view === "plot" ? (
        <Canvas title={title} times={times} lines={lines} write={write} least={least} isWhole={isWhole} />
      ) : (
        <Figures title={title} times={times} lines={lines} write={write} />
      )}
    </figure>
  );
}

function Canvas({ title, times, lines, write, least, isWhole = false }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, point] = useState<number | null>(null);
  const version = themeVersion.value;
  const shape = lines.map((line) => `${line.name}${line.colour}`).join();
  const data = [times, ...lines.map((line) => line.values)] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    let isGone = false;
    let watch: ResizeObserver | undefined;
    void import("uplot").then(({ default: UPlot }) => {
      if (isGone) return;
      const size = () => ({ width: element.clientWidth, height: HEIGHT });
      plot.current = new UPlot({ ...size(), ...looks(lines, write, least, isWhole, point) }, latest.current, element);
      watch = new ResizeObserver(() => plot.current?.setSize(size()));
      watch.observe(element);
    });
    return () => {
      isGone = true;
      watch?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, version]);
  useEffect(() => plot.current?.setData(latest.current), [times, lines]);
  const shown = at ?? times.length - 1;
  return (
    <>
      <div ref={box} class="canvas" role="img" aria-label={`${title}: ${summary(lines, write)}`} />
      <p class="readout">
        <span>{times[shown] === undefined ? "Nothing yet" : clock(times[shown])}</span>
        {lines.map((line) => (
          <span key={line.name}>
            <i class="key" style={{ background: `var(${line.colour})` }} />
            {line.name} {written(line.values[shown], write)}
          </span>
        ))}
      </p>
    </>
  );
}

function Figures({ title, times, lines, write }: Omit<PlotProps, "least">) {
  const rows = times.map((time, index) => ({ time, index })).slice(-TABLE_ROWS).reverse();
  return (
    <div class="table-box" tabIndex={0} role="region" aria-label={title}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {lines.map((line) => (
              <th key={line.name} scope="col" class="right">
                {line.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ time, index }) => (
            <tr key={time}>
              <th scope="row" class="num" title={wholeMoment(time)}>
                {clock(time)}
              </th>
              {lines.map((line) => (
                <td key={line.name} class="right num">
                  {written(line.values[index], write)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function written(value: number | null | undefined, write: (value: number) => string): string {
  return value === null || value === undefined ? "–" : write(value);
}

function summary(lines: readonly Line[], write: (value: number) => string): string {
  return lines.map((line) => `${line.name} now ${written(line.values.at(-1), write)}`).join(", ");
}

const FONT = "11px system-ui, sans-serif";

function looks(
  lines: readonly Line[],
  write: (value: number) => string,
  least: number,
  isWhole: boolean,
  point: (at: number | null) => void,
): Omit<uPlot.Options, "width" | "height"> {
  const faint = colour("--faint");
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: faint, font: FONT, grid, ticks: { show: false } };
  return {
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(most * 1.08, least)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 70, values: (_, ticks) => ticks.map((tick) => clock(tick).slice(0, spansSeconds(ticks) ? 8 : 5)) },
      { ...axis, size: 58, space: 32, ...(isWhole ? { incrs: WHOLE } : {}), values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : write(tick))) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.name,
        stroke: colour(line.colour),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
        ...(line.isFilled ? { fill: `color-mix(in srgb, ${colour(line.colour)} 14%, transparent)` } : {}),
      })),
    ],
    hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? null)] },
  };
}

function spansSeconds(ticks: readonly number[]): boolean {
  const [first = 0, second = 60] = ticks;
  return second - first < 60;
}
