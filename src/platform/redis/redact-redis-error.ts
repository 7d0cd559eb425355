/**
 * Redacts an error reply. A server that does not know a command repeats its arguments, and the first command contains
 * the password.
 */
export function redactRedisError(error: unknown): unknown {
  return error instanceof Error && error.message.includes('unknown command')
    ? new Error(`Redis does not know ${/unknown command \W*(\w+)/.exec(error.message)?.[1] ?? 'a command'}`)
    : error;
}
