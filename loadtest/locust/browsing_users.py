"""Users who browse: the programme, shows, prices and seat maps."""

from __future__ import annotations

from typing import Any

import msgspec
from locust import task

from loadtest.locust.base_user import BaseUser


class BrowsingUser(BaseUser):
    """Reads the programme, a movie, some of its shows and their seat maps; books nothing."""

    weight = 30

    @task
    def browse(self) -> None:
        rng = self.shared_state.rng
        movies = self._items("/api/movies?limit=20", "/api/movies")
        self.pause(rng.uniform(2, 10))
        if movies:
            movie_id = rng.choice(movies)["id"]
            self.get(f"/api/movies/{movie_id}", "/api/movies/:id")
            shows = self._items(f"/api/movies/{movie_id}/shows", "/api/movies/:id/shows")
            self.pause(rng.uniform(2, 10))
            for show in rng.sample(shows, min(2, len(shows))):
                self._open(show["id"])
        self._open(self.shared_state.some_show())

    def _open(self, show_id: int) -> None:
        """Reads a show, and its seat map several times."""
        self.get(f"/api/shows/{show_id}", "/api/shows/:id")
        for _ in range(self.shared_state.rng.randint(1, 4)):
            self.seats(show_id)
            self.pause(self.shared_state.rng.uniform(1, 6))

    def _items(self, path: str, name: str) -> list[dict[str, Any]]:
        response = self.get(path, name)
        return msgspec.json.decode(response.body)["items"] if response.status == 200 else []
