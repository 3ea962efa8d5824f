import { type ReactNode, useRef } from "react";
import { CloseForm } from "../../ui/CloseForm";
import { useHotkey } from "../../ui/hotkey";
import { KEYS, keyName } from "../../ui/keys";

/** Every key there is, from the table that the handlers use. */
export function HelpButton(): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = () => dialog.current?.showModal();
  useHotkey("?", open);
  return (
    <>
      <button type="button" className="button" aria-label="keys (?)" title="keys (?)" onClick={open}>
        ?
      </button>
      <dialog ref={dialog} className="dialog help" aria-labelledby="help-title">
        <h2 id="help-title">Keys</h2>
        <dl>
          {KEYS.map(({ keys, what }) => (
            <div key={what}>
              <dt>
                {keys.map((key) => (
                  <kbd key={key}>{keyName(key)}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <CloseForm />
      </dialog>
    </>
  );
}
