/**
 * The replies to a pipeline, in its order.
 * @throws the first error among them
 */
export function replies(
  results: readonly (readonly [error: Error | null, reply: unknown])[] | null,
): unknown[] {
  return (results ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}
