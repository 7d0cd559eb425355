/**
 * A stand-in for an object of which a test needs only some members. The compiler checks each of them. Any
 * other member throws an error with its name when it is read, so a test cannot pass by a member that was not
 * given.
 *
 * @param name of the type, for the error
 */
export function partOf<T extends object>(
  name: string,
  members: NoInfer<{ [Key in keyof T]?: T[Key] }> = {},
): T {
  return new Proxy(members, {
    get(given, key) {
      if (key in given) return Reflect.get(given, key);
      throw new Error(`this test has no ${name}.${String(key)}`);
    },
  }) as T;
}
