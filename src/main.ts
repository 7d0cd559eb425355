#!/usr/bin/env -S node --
/**
 * Imports nothing before it has checked the version of Node. An older Node fails while it loads the other modules, with
 * an error that does not mention Node. So this file must stay readable to old versions.
 */

/** Oldest supported major version, the same as `engines` of package.json. */
const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `Gatehouse needs Node ${NEEDED} or newer, but this is Node ${process.versions.node}: install it, or run "npm install" here and use "npm start" and "npm run gatehouse".\n`,
  );
  process.exit(1);
}
const { run } = await import('./cli/run.ts');
await run(process.env);
