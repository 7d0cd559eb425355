/**
 * A stand-in for an object of which a test needs some members. The compiler checks each of them. Any other member throws when it
 * is read, by its name, so a test cannot pass by something that nobody gave it.
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
