export function sortRows(rows, column, ascending = true) {
  const sign = ascending ? 1 : -1;
  return [...rows].sort((a, b) => sign * String(a[column]).localeCompare(String(b[column])));
}

document.querySelectorAll('th[data-column]').forEach((head) => {
  head.addEventListener('click', async () => {
    const answer = await fetch(`/rows?order=${head.dataset.column}`);
    const rows = await answer.json();
    render(sortRows(rows, head.dataset.column));
  });
});
