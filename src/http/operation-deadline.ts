/** Milliseconds for the work of one operation or one event, in the database and waiting for it. */
export const OPERATION_DEADLINE = 10_000;
