export { Letters, LINK_PAGES } from './letters.ts';
export type { NoticeFacts, NoticeKind } from './notices.ts';
