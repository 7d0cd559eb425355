/**
 * Fastify looks for the name of a plugin in all of `require.cache`, which Jest makes up anew each time: two fifths of what
 * it takes to start a gateway. For what has a display name it does not look.
 */
Object.assign(Function.prototype, { [Symbol.for('fastify.display-name')]: 'a plugin' });
