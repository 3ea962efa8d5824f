import { type KeyboardEvent, type MouseEvent, type ReactNode, useMemo, useState } from "react";
import type { TreeNode } from "../../model/model";
import { ActorDetails } from "./ActorDetails";
import { ActorRow } from "./ActorRow";
import { afterKey, flatten } from "./flatten";

/** Who restarts whom. One row is in the tab order; arrows go on from it, Enter tells all of it. */
export function Tree({ root }: { readonly root: TreeNode }): ReactNode {
  const rows = useMemo(() => flatten(root), [root]);
  const [chosen, setChosen] = useState(root.name);
  const [isOpen, setIsOpen] = useState(false);
  const at = Math.max(
    0,
    rows.findIndex(({ node }) => node.name === chosen),
  );
  const current = rows[at]?.node ?? root;

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      setIsOpen(!isOpen);
      return;
    }
    const next = afterKey(rows, at, event.key);
    if (next === null) return;
    event.preventDefault();
    setChosen(rows[next]?.node.name ?? chosen);
    const item = event.currentTarget.children[next];
    if (item instanceof HTMLElement) item.focus();
  };
  const onClick = ({ target }: MouseEvent) => {
    const item = target instanceof Element ? target.closest("[data-actor]") : null;
    const name = item?.getAttribute("data-actor");
    if (name == null) return;
    setIsOpen(name !== current.name || !isOpen);
    setChosen(name);
  };
  return (
    <>
      <div className="tree" role="tree" aria-label="Supervision tree" onKeyDown={onKeyDown} onClick={onClick}>
        {rows.map((row) => (
          <ActorRow key={row.node.name} {...row} isCurrent={row.node.name === current.name} />
        ))}
      </div>
      {isOpen && <ActorDetails node={current} onClose={() => setIsOpen(false)} />}
    </>
  );
}
