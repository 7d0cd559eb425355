import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { SECTIONS, SETTINGS_FILES } from '../src/config/index.ts';
import { setting, settingsSection } from '../src/platform/setting-declaration.ts';
import { text } from '../src/platform/setting-parsers.ts';

const SETTINGS = SECTIONS.flatMap(({ settings }) => settings);

describe('a file that repeats the settings', () => {
  it.each(Object.entries(SETTINGS_FILES))('%s is what `npm run settings` writes', async (file, render) => {
    const current = await readFile(file, 'utf8');
    expect(render(SECTIONS, current)).toBe(current);
  });

  it('gets a new setting with its default, its values and the first sentence of its description', () => {
    const section = settingsSection({
      title: 'New',
      settings: {
        fish: setting('NEW_FISH', {
          parse: Object.assign((value: string) => value, { accepts: '`eel` or `carp`' }),
          default: 'eel',
          description: 'The [fish](pond.md) of the `day`. It swims.',
        }),
      },
      config: () => ({}),
    });
    const written = (file: string, current = '') => SETTINGS_FILES[file]?.([section], current);
    expect(written('.env.example')).toContain(
      '\n# --- New\n\n# The fish of the day. Values: eel or carp.\n# NEW_FISH=eel\n',
    );
    expect(
      written('docs/configuration.md', '<!-- settings: New -->\n\nold\n\n<!-- end of settings -->\n'),
    ).toBe(
      `<!-- settings: New -->

| name       | default | values          | meaning                                     |
| ---------- | ------- | --------------- | ------------------------------------------- |
| \`NEW_FISH\` | \`eel\`   | \`eel\` or \`carp\` | The [fish](pond.md) of the \`day\`. It swims. |

<!-- end of settings -->
`,
    );
    const compose = (lines: string) =>
      `x-settings:\n  # Written by "npm run settings": all.\n${lines}  # End of what it wrote.\n`;
    expect(written('docker-compose.yml', compose('  OLD: x\n'))).toBe(
      compose(`  NEW_FISH: \${NEW_FISH:-}\n`),
    );
  });

  it('must have a table for each topic', () => {
    const section = settingsSection({
      title: 'Nowhere',
      settings: { name: setting('NOWHERE_NAME', { parse: text, description: 'A name.' }) },
      config: () => ({}),
    });
    expect(() => SETTINGS_FILES['docs/configuration.md']?.([section], '# Configuration\n')).toThrow(
      '<!-- settings: Nowhere -->',
    );
  });
});

describe('a declaration', () => {
  it('describes its setting in sentences that fit a table', () => {
    const wrong = SETTINGS.filter(({ description }) => !/^[A-Z][^|\n]*\.$/.test(description));
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  it('asks in production for something that Compose can print', () => {
    const wrong = SETTINGS.filter(({ requiredInProduction = '' }) => /["'{}$:#]/.test(requiredInProduction));
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });
});
