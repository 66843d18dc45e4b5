import { assertEquals } from "../assert.ts";
import { COLUMNS } from "../../src/store/columns.ts";
import { openDatabase } from "../../src/store/database.ts";
import type { Row } from "../../src/store/records.ts";

Deno.test("every column that the schema has stands in the table of columns, as it is declared", () => {
  using database = openDatabase(":memory:", undefined);
  const tables: Row[] = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  ).all();
  const declared = Object.fromEntries(tables.map(({ name }) => {
    const columns: Row[] = database.prepare("SELECT * FROM pragma_table_info(?)").all(name);
    return [
      name,
      columns.map((column) => ({
        name: column.name,
        kind: column.type,
        isRequired: column.notnull === 1 || column.pk === 1,
        byDefault: column.dflt_value === null ? undefined : Number(column.dflt_value),
      })),
    ];
  }));
  const known = Object.fromEntries(
    Object.entries(COLUMNS).map(([table, columns]) => [
      table,
      Object.entries(columns).map(([name, { kind, isRequired, byDefault }]) => {
        return { name, kind, isRequired, byDefault };
      }),
    ]),
  );
  assertEquals(known, declared);
});
