"""Kinds of option values that several commands share."""

import click


class CommaList(click.ParamType[tuple[str, ...]]):
    """Words with commas between them."""

    name = "list"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split the words; an empty one is a wrong call."""
        words = value if isinstance(value, tuple) else tuple(word.strip() for word in str(value).split(","))
        if not all(words):
            self.fail(f"words with commas between them wanted, {value!r} came", param, ctx)
        return tuple(dict.fromkeys(words))


class NumberList(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 0 with commas between them."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Split the numbers; anything else is a wrong call."""
        words = [str(number) for number in value] if isinstance(value, tuple) else str(value).split(",")
        if not all(word.strip().isdecimal() for word in words):
            self.fail(f"whole numbers from 0 with commas between them wanted, {value!r} came", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))
