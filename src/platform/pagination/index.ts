export { type Connection, connectionOf, PageInfo } from './connection.types.ts';
export { decodeCursor, encodeCursor } from './cursor.ts';
export { type PageArguments, pageOf, parseFirst } from './page.ts';
