/**
 * Whether at most this many edits turn one text into the other. An edit inserts, removes or replaces a character, or
 * swaps two neighbours (Damerau and Levenshtein; "optimal string alignment").
 * @param edits small: each further edit multiplies the work by four
 */
export function isWithinEdits(one: string, other: string, edits: number): boolean {
  if (Math.abs(one.length - other.length) > edits) return false;
  let same = 0;
  while (same < one.length && one[same] === other[same]) same += 1;
  const [a, b] = [one.slice(same), other.slice(same)];
  if (a === b) return true;
  if (edits === 0) return false;
  const left = edits - 1;
  const isSwapped = a.length > 1 && a[0] === b[1] && a[1] === b[0];
  return (
    isWithinEdits(a.slice(1), b.slice(1), left) ||
    isWithinEdits(a.slice(1), b, left) ||
    isWithinEdits(a, b.slice(1), left) ||
    (isSwapped && isWithinEdits(a.slice(2), b.slice(2), left))
  );
}

/** @returns the candidate with the fewest edits, the first of several; undefined when all need more than `edits`. */
export function nearest(text: string, candidates: Iterable<string>, edits: number): string | undefined {
  const list = [...candidates];
  for (let distance = 0; distance <= edits; distance++) {
    const found = list.find((candidate) => isWithinEdits(text, candidate, distance));
    if (found !== undefined) return found;
  }
  return undefined;
}
