export { type Connection, connectionOf } from './connection.types.ts';
export { decodeCursor, encodeCursor } from './cursor.ts';
export { type PageArguments, pageOf, parseFirst } from './page.ts';
