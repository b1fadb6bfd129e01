import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

export type SqlValues = Record<string, SQLInputValue>;

/** What an operation may do with the database. Statements are prepared once and kept. */
export interface Connection {
  /** The first row, or undefined. The caller states the row's type; STRICT tables keep it true. */
  get<Row>(sql: string, values?: SqlValues): Row | undefined;
  all<Row>(sql: string, values?: SqlValues): Row[];
  /** The rows one by one, read as they are asked for. Not to be begun again before it has ended. */
  each<Row>(sql: string, values?: SqlValues): Iterable<Row>;
  /** How many rows were changed. */
  run(sql: string, values?: SqlValues): number;
}

/** Wraps an open database; named parameters are given without their prefix. */
export function createConnection(database: DatabaseSync): Connection {
  const readers = new Map<string, StatementSync>();
  const writers = new Map<string, StatementSync>();

  function prepared(statements: Map<string, StatementSync>, sql: string): StatementSync {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = database.prepare(sql);
    // A write also returns the last rowid, and throws where that is past 2^53, as a search index's is.
    if (statements === writers) statement.setReadBigInts(true);
    statements.set(sql, statement);
    return statement;
  }

  return {
    get: <Row>(sql: string, values: SqlValues = {}) =>
      prepared(readers, sql).get(values) as Row | undefined,
    all: <Row>(sql: string, values: SqlValues = {}) => prepared(readers, sql).all(values) as Row[],
    each: <Row>(sql: string, values: SqlValues = {}) =>
      prepared(readers, sql).iterate(values) as Iterable<Row>,
    run: (sql, values = {}) => Number(prepared(writers, sql).run(values).changes),
  };
}
