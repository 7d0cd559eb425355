import type { FastifyInstance } from 'fastify';

/** Lists the methods of a path, for replies to other methods (RFC 9110 section 15.5.6). */
export type AllowedMethods = (path: string) => readonly string[];

/** Collects the methods of routes. Call it before any route is registered. */
export function allowedMethods(app: FastifyInstance): AllowedMethods {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    // One wildcard route answers the preflights of all paths.
    if (url.includes('*')) return;
    const known = methods.get(url) ?? new Set();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  const fits = (route: string, path: string): boolean => {
    const [wanted, given] = [route.split('/'), path.split('/')];
    return (
      wanted.length === given.length && wanted.every((part, i) => part.startsWith(':') || part === given[i])
    );
  };
  return (path) => {
    const found = [...methods].filter(([route]) => fits(route, path)).flatMap(([, names]) => [...names]);
    return [...new Set(found)].sort();
  };
}
