/**
 * What of a damaged row can be kept: each column that holds what no journal has written is left empty,
 * or made good from what else is known. Values; nothing is done.
 */

import { type Column, COLUMNS, isFit, isSettingFit, type TableName } from "../store/columns.ts";

/** Columns by name, as in the journal's tables. */
export type Columns = Readonly<Record<string, any>>;

/** A row of which every column is fit, and the names of those that were not. */
export interface Mended {
  readonly row: Columns;
  readonly damaged: readonly string[];
}

/** Rows of a table, and for people what of them could not be kept. */
export interface MendedRows {
  readonly rows: readonly Columns[];
  readonly losses: readonly string[];
}

/** A row in the making. */
export class Draft implements Mended {
  readonly row: Record<string, any> = {};
  readonly #damaged = new Set<string>();

  /** What is not fit becomes null, or what a row of before stands for; in a required column, undefined. */
  constructor(table: TableName, columns: Columns) {
    for (const [name, column] of Object.entries(COLUMNS[table])) {
      const value = columns[name];
      const isKept = isFit(column, value);
      if (!isKept) this.#damaged.add(name);
      this.row[name] = isKept && value !== undefined ? value : emptyOf(column);
    }
  }

  get damaged(): string[] {
    return [...this.#damaged];
  }

  isDamaged(...names: string[]): boolean {
    return names.some((name) => this.#damaged.has(name));
  }

  /** What must be there; where something else is, that was damaged. */
  put(columns: Columns): void {
    for (const [name, value] of Object.entries(columns)) {
      if (this.row[name] !== value) this.#damaged.add(name);
      this.row[name] = value;
    }
  }

  /** Whether a required column has nothing. */
  get isLost(): boolean {
    return Object.values(this.row).includes(undefined);
  }
}

function emptyOf({ isRequired, byDefault }: Column): number | null | undefined {
  return byDefault ?? (isRequired ? undefined : null);
}

export function mendEvents(events: readonly Columns[]): MendedRows {
  return mendAll("events", "sequence", events);
}

/** A node may have been draining: then it must not start jobs. */
export function mendSettings(settings: readonly Columns[]): MendedRows {
  return mendAll("settings", "name", settings, (draft) => {
    const { name, value } = draft.row;
    if (isSettingFit(name, value)) return;
    draft.put({ value: name === "draining" ? "yes" : undefined });
  });
}

/** A pool of which not all is known starts nothing until somebody says what holds. */
export function mendPools(pools: readonly Columns[]): MendedRows {
  return mendAll("pools", "name", pools, (draft) => {
    if (draft.isDamaged("job_limit", "paused")) draft.put({ paused: 1 });
  });
}

/** What was asked of many jobs at once is done of those that are left, or not at all. */
export function mendLargeChanges(changes: readonly Columns[]): MendedRows {
  return mendAll("large_changes", "sequence", changes);
}

/** Of rows with the same key the first. */
function mendAll(
  table: TableName,
  key: string,
  all: readonly Columns[],
  mend: (draft: Draft) => void = () => {},
): MendedRows {
  const rows = new Map<unknown, Columns>();
  const losses: string[] = [];
  for (const columns of all) {
    const draft = new Draft(table, columns);
    mend(draft);
    const { damaged, isLost, row } = draft;
    const fate = isLost ? ", which is left out" : "";
    if (damaged.length > 0) {
      losses.push(`${damaged.join(", ")} of the row ${columns[key]} of ${table}${fate}`);
    }
    if (!isLost && !rows.has(row[key])) rows.set(row[key], row);
  }
  return { rows: [...rows.values()], losses };
}
