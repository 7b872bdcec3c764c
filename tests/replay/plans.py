"""The plan whose histories are recorded beside this file; a change here is a change of its code in flight."""

from datetime import timedelta

from outlive import App, FailedItem, Plan, UndoneEffect, Worked

bad = [{3}]
"""Rows that fail."""


def declared(*, sleeps: bool = True, moves: bool = True) -> App:
    """Return an app with a plan that has an effect, a question, a pause, waves, and takes all of it back."""
    app = App("recorded")

    async def remove(undone: UndoneEffect) -> None:
        """Take nothing back: there is nothing."""

    @app.effect("once", undo=remove)
    async def prepare(table: str) -> str:
        return f"prepared {table}"

    @app.effect(undo=remove)
    async def move(rows: list[int]) -> Worked:
        return Worked(failed=[FailedItem(item=row, reason="bad") for row in rows if row in bad[0]])

    @app.plan(name="mover")
    async def mover(plan: Plan, count: int) -> int:
        await plan.effect(prepare, table="new")
        await plan.log("It is prepared.")
        await plan.hand_off("Go on?", choices=["yes", "no"])
        if sleeps:
            await plan.sleep(timedelta(seconds=1))
        if moves:
            await plan.waves(count, each=move, chunk=2, concurrency=2, shares=(0.5, 1))
        return (await plan.undo()).undone

    return app
