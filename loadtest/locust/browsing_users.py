"""People who look around: what is on, when, what it costs, how full it is."""

from __future__ import annotations

from typing import Any

import msgspec
from locust import task

from loadtest.locust.base_user import Customer


class Browser(Customer):
    """Reads the programme, opens a movie, some of its shows and their seat maps, and buys nothing."""

    weight = 30

    @task
    def look_around(self) -> None:
        dice = self.town.dice
        movies = self._items("/api/movies?limit=20", "/api/movies")
        self.pause(dice.uniform(2, 10))
        if movies:
            movie_id = dice.choice(movies)["id"]
            self.look(f"/api/movies/{movie_id}", "/api/movies/:id")
            shows = self._items(f"/api/movies/{movie_id}/shows", "/api/movies/:id/shows")
            self.pause(dice.uniform(2, 10))
            for show in dice.sample(shows, min(2, len(shows))):
                self._open(show["id"])
        self._open(self.town.some_show())

    def _open(self, show_id: int) -> None:
        """Somebody who wonders looks at a seat map more than once."""
        self.look(f"/api/shows/{show_id}", "/api/shows/:id")
        for _ in range(self.town.dice.randint(1, 4)):
            self.seats(show_id)
            self.pause(self.town.dice.uniform(1, 6))

    def _items(self, path: str, name: str) -> list[dict[str, Any]]:
        answer = self.look(path, name)
        return msgspec.json.decode(answer.body)["items"] if answer.status == 200 else []
