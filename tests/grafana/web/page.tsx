// Draws one dashboard's JSON with Grafana's own visual components. The page is given `window.made`: the dashboard and,
// for each panel, the rows PostgreSQL answered. Panels the library has no component for are drawn with the nearest one
// it has: a state timeline as a table, candles as lines without their volume, a bar chart as a bar gauge.
import { useMemo } from "react";
import { createRoot } from "react-dom/client";
import {
  createDataFrame, createTheme, type DataFrame, type Field, type FieldConfigSource, FieldType, getDisplayProcessor,
  getFieldDisplayValues, type GrafanaTheme2, ThemeContext,
} from "@grafana/data";
import { BarGauge, BigValue, Table, TimeSeries } from "@grafana/ui";

type Column = { name: string; type: "time" | "number" | "string" | "boolean" };
type Answer = { columns: Column[]; rows: unknown[][] };
type Panel = {
  id: number; type: string; title: string; gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig: FieldConfigSource; options?: Record<string, unknown>; targets: { format: string }[];
};
declare global {
  interface Window { made: { dashboard: { title: string; description: string; panels: Panel[] }; answers: Record<string, Answer> } }
}

const COLUMN = 66, ROW = 36, GAP = 8;
const theme: GrafanaTheme2 = createTheme({ colors: { mode: "dark" } });

function fields(answer: Answer): { name: string; type: FieldType; values: unknown[]; config: Record<string, unknown> }[] {
  return answer.columns.map((column, n) => ({
    name: column.name, config: {}, values: answer.rows.map((row) => row[n]),
    type: { time: FieldType.time, number: FieldType.number, string: FieldType.string, boolean: FieldType.boolean }[column.type],
  }));
}

// As Grafana's data source does with (time, metric, value): one column a metric.
function wide(answer: Answer): DataFrame {
  const names = answer.columns.map((c) => c.name);
  if (!names.includes("metric")) return createDataFrame({ fields: fields(answer) as never });
  const [t, m, v] = ["time", "metric", "value"].map((name) => names.indexOf(name));
  const times = [...new Set(answer.rows.map((row) => row[t] as number))].sort((a, b) => a - b);
  const at = new Map(times.map((time, n) => [time, n]));
  const series = new Map<string, (number | null)[]>();
  for (const row of answer.rows) {
    const name = String(row[m]);
    if (!series.has(name)) series.set(name, times.map(() => null));
    series.get(name)![at.get(row[t] as number)!] = row[v] as number;
  }
  return createDataFrame({
    fields: [
      { name: "time", type: FieldType.time, values: times, config: {} },
      ...[...series].map(([name, values]) => ({ name, type: FieldType.number, values, config: {} })),
    ],
  });
}

// What Grafana's field configuration does, by hand: the library leaves its registry to the application.
function prepared(panel: Panel, frame: DataFrame): DataFrame[] {
  const { custom, ...defaults } = panel.fieldConfig.defaults as Record<string, unknown> & { custom?: object };
  let series = 0;
  for (const field of frame.fields as Field[]) {
    const numeric = field.type === FieldType.number;
    field.config = { ...(numeric ? defaults : {}), custom: { ...custom } } as never;
    if (numeric) field.state = { ...field.state, seriesIndex: series++ };
    for (const override of panel.fieldConfig.overrides ?? []) {
      if (override.matcher.options !== field.name) continue;
      for (const { id, value } of override.properties) {
        const target = (id.startsWith("custom.") ? field.config.custom : field.config) as Record<string, unknown>;
        if (id !== "links") target[id.replace("custom.", "")] = value;
      }
    }
    field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
  }
  return [{ ...frame, fields: frame.fields.filter((field) => !field.config.custom?.hidden) }];
}

function Body({ panel, answer, width, height }: { panel: Panel; answer: Answer; width: number; height: number }) {
  const series = ["timeseries", "candlestick"].includes(panel.type);
  const drawn = useMemo(() => prepared(panel, series ? wide(answer) : createDataFrame({ fields: fields(answer) as never })), [panel, answer]);
  const frames = panel.type !== "candlestick" ? drawn
    : [{ ...drawn[0], fields: drawn[0].fields.filter((field) => field.name !== "volume") }];
  if (answer.rows.length === 0) return <p style={{ paddingTop: 20 }}>{panel.fieldConfig.defaults.noValue ?? "No data"}</p>;
  if (series) {
    const times = frames[0].fields[0].values as number[];
    const range = { from: times[0], to: times[times.length - 1] };
    return (
      <TimeSeries frames={frames} width={width} height={height} timeZone="utc"
        timeRange={{ from: range.from, to: range.to, raw: range } as never}
        legend={{ displayMode: "list", placement: "bottom", showLegend: true, calcs: [] } as never} />
    );
  }
  if (panel.type === "stat" || panel.type === "bargauge" || panel.type === "barchart") {
    const shown = getFieldDisplayValues({
      fieldConfig: panel.fieldConfig, reduceOptions: { values: panel.type !== "stat", calcs: ["lastNotNull"], limit: 60 },
      replaceVariables: (text: string) => text, theme, data: frames, timeZone: "utc",
    });
    if (panel.type === "stat") {
      const each = width / Math.max(1, shown.length);
      return <div style={{ display: "flex" }}>{shown.map((one, n) => (
        <BigValue key={n} width={each} height={height} theme={theme} colorMode={(panel.options?.colorMode ?? "value") as never} value={{ ...one.display, title: shown.length > 1 ? one.display.title : "" }} />
      ))}</div>;
    }
    const each = Math.min(34, height / shown.length);
    return <div>{shown.map((one, n) => (
      <BarGauge key={n} width={width - 8} height={each} value={one.display} field={one.field} theme={theme} orientation={"horizontal" as never}
        itemSpacing={3} lcdCellWidth={12} displayMode={"gradient" as never} />
    ))}</div>;
  }
  return <Table data={frames[0]} width={width} height={height} />;
}

function Page() {
  const { dashboard, answers } = window.made;
  const bottom = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <h1>{dashboard.title}</h1>
      <p>{dashboard.description}</p>
      <div style={{ position: "relative", height: bottom * ROW + 20 }}>
        {dashboard.panels.map((panel) => {
          const { x, y, w, h } = panel.gridPos;
          const width = w * COLUMN - GAP, height = h * ROW - GAP;
          return (
            <div key={panel.id ?? panel.title} className="panel" style={{ left: x * COLUMN + GAP, top: y * ROW, width, height }}>
              <h6>{panel.title}</h6>
              <Body panel={panel} answer={answers[panel.title]} width={width - 6} height={height - 30} />
            </div>
          );
        })}
      </div>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById("root")!).render(<Page />);
