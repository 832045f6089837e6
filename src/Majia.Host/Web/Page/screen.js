// Small hands for the DOM: no markup is ever made of text.
export const $ = (id) => document.getElementById(id);

/** An element: h('button', { class: 'x', onclick: f, 'aria-label': 'y' }, 'text', child…). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Writes only what differs, so that a screen reader is not told the same thing twice. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

const drawn = new WeakMap();

/** Draws a list again when its data or the language changed; the focus stays on the element of the same data-key. */
export function fill(element, data, language, build) {
  const mark = language + JSON.stringify(data);
  if (drawn.get(element) === mark) return;
  drawn.set(element, mark);
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.replaceChildren(...build());
  if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export function options(select, rows, value) {
  const kept = select.value || value;
  select.replaceChildren(...rows);
  if (kept) select.value = kept;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

const isWide = (letter) => /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(letter);

/** Text of a printer of fixed pitch: a wide character takes two columns, whatever font there is. */
export function paper(element, text) {
  const parts = [];
  let run = '';
  for (const letter of text.replace(/\n+$/, '')) {
    if (isWide(letter)) {
      if (run) parts.push(run);
      run = '';
      parts.push(h('span', { class: 'wide' }, letter));
    } else {
      run += letter;
    }
  }
  if (run) parts.push(run);
  element.replaceChildren(...parts);
}

/** A request to our own API: the answer's JSON, or an error with the server's {code, why}. */
export async function call(path, body) {
  const answer = await fetch('/api' + path, body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : {};
  if (!answer.ok) throw Object.assign(new Error(json.errorDescription ?? String(answer.status)), { api: json });
  return json;
}
