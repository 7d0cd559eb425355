import 'reflect-metadata';
import { readFile, writeFile } from 'node:fs/promises';
import { SECTIONS, SETTINGS_FILES } from './config/index.ts';

/** `npm run settings`: writes the settings that the modules declare into the files that repeat them. */
for (const [file, render] of Object.entries(SETTINGS_FILES)) {
  await writeFile(file, render(SECTIONS, await readFile(file, 'utf8')));
}
