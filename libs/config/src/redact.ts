/** The text with the password of any URL in it replaced, so that it may be printed. */
export function hidePassword(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/]*@/gi, '$1:***@');
}
