import { type ReactNode, useId, useRef } from "react";
import { CloseForm } from "../../ui/CloseForm";
import { APART_MS } from "./pace";
import { useAlarms } from "./useAlarms";
import { KINDS, type Kind, WAYS, wishFor } from "./wishes";

const MEANING: Readonly<Record<Kind, string>> = {
  health: "the trader is degraded or unhealthy",
  lint: "a rule of good order is broken",
};

/** Opens the choice of how alarms are told to somebody who does not look at the page. */
export function AlarmButton(): ReactNode {
  const { wishes, problem, wish, forgo, look } = useAlarms();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const open = () => {
    look();
    dialog.current?.showModal();
  };
  return (
    <>
      <button
        type="button"
        className="button alarm-button"
        title="sound and notifications of alarms"
        data-testid="alarm-button"
        onClick={open}
      >
        <span aria-hidden="true">♪</span>
        <span className="unseen">sound and notifications of alarms: </span> {wishes.size > 0 ? "on" : "off"}
      </button>
      <dialog ref={dialog} className="dialog alarm-choice" aria-labelledby={id}>
        <h2 id={id}>Tell alarms outside of this page</h2>
        <p>
          Those that begin or grow worse while it is open; of each kind and level one in {APART_MS / 1000} s
          at most.
        </p>
        <table>
          <thead>
            <tr>
              <th scope="col">alarm</th>
              {WAYS.map((way) => (
                <th key={way} scope="col">
                  {way}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {KINDS.map((kind) => (
              <tr key={kind}>
                <th scope="row">
                  <b>{kind}</b> <span className="unit">{MEANING[kind]}</span>
                </th>
                {WAYS.map((way) => (
                  <td key={way}>
                    <input
                      type="checkbox"
                      aria-label={`${way} for ${kind}`}
                      checked={wishes.has(wishFor(kind, way))}
                      onChange={({ target }) => (target.checked ? wish : forgo)(kind, way)}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        <p className="unit">
          After a reload the browser stays mute until the first click or key in this page.
        </p>
        <p className="problem" role="alert" data-testid="alarm-problem">
          {problem}
        </p>
        <CloseForm />
      </dialog>
    </>
  );
}
