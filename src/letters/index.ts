export { Letters, LINK_PAGES } from './letters.ts';
export type { NoticeKind } from './notices.ts';
