import { access, constants } from 'node:fs/promises';
import { type Browser, chromium } from 'playwright-core';

/**
 * Whether this machine has Chromium. Tests that need it are skipped without it, and the global set-up says
 * so.
 */
export const hasBrowser: boolean = (process.env.TEST_BROWSER ?? '') !== '';

/** The Chromium of this machine, with the settings of an ordinary browser. Nothing is downloaded for it. */
export const launchBrowser = async (): Promise<Browser> =>
  chromium.launch({
    executablePath: await pathOf(process.env.TEST_BROWSER ?? ''),
    // Root has no sandbox, and containers have little shared memory. It only opens pages of these tests.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });

async function pathOf(command: string): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const path = `${folder}/${command}`;
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new Error(`${command} is not on the path`);
}
