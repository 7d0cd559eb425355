import { InvalidValue } from '../input.ts';
import type { Connection } from './connection.types.ts';

/** The arguments of a list. */
export interface PageArguments {
  first: number;
  after?: string | null | undefined;
}

const MAX_FIRST = 100;

/** @throws {InvalidValue} when it is out of bounds. */
export function parseFirst(first: number): number {
  if (!Number.isInteger(first) || first < 1 || first > MAX_FIRST) {
    throw new InvalidValue(`A page has 1 to ${MAX_FIRST} entries.`);
  }
  return first;
}

/**
 * Makes a page.
 * @param rows one more than the page holds, when there is a next page
 */
export function pageOf<Row, Node>(
  rows: readonly Row[],
  { first, after }: PageArguments,
  { node, cursor }: { node: (row: Row) => Node; cursor: (row: Row) => string },
): Connection<Node> {
  const edges = rows.slice(0, first).map((row) => ({ cursor: cursor(row), node: node(row) }));
  return {
    edges,
    nodes: edges.map((edge) => edge.node),
    pageInfo: {
      hasNextPage: rows.length > first,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
