/** What a thing is called: by its name, or by its id when it was given none. */
export function nameOf({ id, name }: { readonly id: string; readonly name: string }): string {
  return name === '' ? id : name;
}
