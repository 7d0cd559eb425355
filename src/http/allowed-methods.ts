import type { FastifyInstance } from 'fastify';

/** Tells which methods a path has: for replies to the others (RFC 9110 section 15.5.6). */
export type AllowedMethods = (path: string) => readonly string[];

/** Call it before any route is registered. */
export function allowedMethods(app: FastifyInstance): AllowedMethods {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    // Preflights are answered by one route for every path.
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
