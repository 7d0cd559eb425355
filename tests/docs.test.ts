import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const FOLDERS = [
  'src',
  'migrations',
  'tests',
  'bench',
  'faults',
  'schema',
  'scripts',
  'deploy',
  'examples',
  'docs',
];
const files = [...FOLDERS.flatMap((folder) => below(folder)), ...readdirSync('.')];
const documents = files.filter((file) => file.endsWith('.md'));
/** Pages that people read from top to bottom, with their largest number of lines. */
const SHORT: Readonly<Record<string, number>> = { 'README.md': 150, 'docs/architecture.md': 200 };

function below(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true }) as string[];
  return names.map((name) => join(folder, name));
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The text without code blocks, which may contain anything. */
const prose = (text: string) => text.replaceAll(/^( *)```.*?^\1```$/gms, '');

/** Anchors of the headings, as GitHub makes them: a repeated heading gets a number. */
function anchorsOf(document: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = [...prose(readFileSync(document, 'utf8')).matchAll(/^#+ (.+)$/gm)];
  return new Set(
    headings.map(([, heading = '']) => {
      const slug = heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-');
      const times = seen.get(slug) ?? 0;
      seen.set(slug, times + 1);
      return times === 0 ? slug : `${slug}-${times}`;
    }),
  );
}

/** @returns an error for a broken link, or null. */
function brokenLink(document: string, link: string): string | null {
  if (/^[a-z]+:/.test(link)) return null;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : normalize(join(dirname(document), path));
  if (!exists(target)) return `${document}: ${link}`;
  if (anchor === undefined || !target.endsWith('.md')) return null;
  return anchorsOf(target).has(anchor) ? null : `${document}: ${link}`;
}

describe('the documents', () => {
  it('link to files and headings that exist', () => {
    const broken = documents.flatMap((document) => {
      const text = prose(readFileSync(document, 'utf8'));
      const links = [...text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)];
      return links.flatMap(([, inline, reference]) => brokenLink(document, inline ?? reference ?? '') ?? []);
    });
    expect(documents.length).toBeGreaterThan(10);
    expect(broken).toEqual([]);
  });

  it('name only source files that exist', () => {
    const names = new Set(files.map((file) => basename(file)));
    const missing = documents
      .filter((document) => document !== 'CHANGELOG.md')
      .flatMap((document) => {
        const text = prose(readFileSync(document, 'utf8'));
        const named = [...text.matchAll(/`((?:[\w.-]+\/)*[\w-]+(?:\.[\w-]+)*\.ts)`/g)].map(
          ([, path = '']) => path,
        );
        const isThere = (path: string) =>
          path.includes('/')
            ? ['', 'src', 'src/blockpass', 'src/platform'].some((folder) => exists(join(folder, path)))
            : names.has(path);
        return named.filter((path) => !isThere(path)).map((path) => `${document}: ${path}`);
      });
    expect(missing).toEqual([]);
  });

  it.each(Object.entries(SHORT))('keep %s within %i lines', (document, lines) => {
    expect(readFileSync(document, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(lines);
  });

  it('are all in the index', () => {
    const index = readFileSync('docs/README.md', 'utf8');
    const inDocs = documents.filter((file) => file.startsWith('docs/') && file !== 'docs/README.md');
    expect(inDocs.filter((file) => !index.includes(`](${file.slice('docs/'.length)}`))).toEqual([]);
  });

  it('keep each recipe of CONTRIBUTING.md within ten lines', () => {
    const [, recipes = ''] = readFileSync('CONTRIBUTING.md', 'utf8').split(/^## Recipes$/m);
    const [, ...each] = (recipes.split(/^## /m)[0] ?? '').split(/^### /m);
    const tooLong = each.filter(
      (text) =>
        text
          .split('\n')
          .slice(1)
          .filter((line) => line !== '').length > 10,
    );
    expect(each.length).toBeGreaterThan(5);
    expect(tooLong.map((text) => text.split('\n')[0])).toEqual([]);
  });
});
