import { writeFileSync } from 'node:fs';
import { constants, PerformanceObserver } from 'node:perf_hooks';

/**
 * Loaded into a server by `--import`. Writes the bytes of heap that remain after each full collection into the file
 * HEAP_FILE. It triggers no collection, so the server's memory stays unaffected.
 */
const file = process.env.HEAP_FILE;
if (file === undefined) throw new Error('HEAP_FILE is not set');

new PerformanceObserver((list) => {
  const isFull = (entry: object) =>
    (entry as { detail?: { kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
  if (list.getEntries().some(isFull)) writeFileSync(file, String(process.memoryUsage().heapUsed));
}).observe({ entryTypes: ['gc'] });
