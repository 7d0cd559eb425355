import { access, constants } from 'node:fs/promises';
import { type Browser, chromium } from 'playwright-core';

/** Whether this machine has one. Without it the tests that need one are skipped; the global set-up says so. */
export const hasBrowser: boolean = (process.env.TEST_BROWSER ?? '') !== '';

/** The Chromium of this machine, as a person's browser: nothing is downloaded for it. */
export const launchBrowser = async (): Promise<Browser> =>
  chromium.launch({
    executablePath: await pathOf(process.env.TEST_BROWSER ?? ''),
    // Root has no sandbox, and containers little shared memory. It only ever opens pages of these tests.
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
