"""What a rig says about a BrainFlow board, and what BrainFlow is told."""

from typing import Literal, Self

from brainflow.board_shim import BoardIds, BrainFlowInputParams, IpProtocolTypes
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bci_core.errors import InputError
from bci_core.record.brainflow_boards import BORROWING, BoardLayout, board_id, board_layout

LOOPBACK = "loopback_true"
"""BrainFlow's command to a playback board to begin again at the end of its file."""


class BrainFlowSettings(BaseModel):
    """Section ``[amplifier]`` of a rig with ``driver = "brainflow"``.

    Attributes
    ----------
    board : str
        BrainFlow's name: ``SYNTHETIC_BOARD``, ``CYTON_BOARD``, ``PLAYBACK_FILE_BOARD``, …
    channels : tuple of str
        Labels, in the order wanted; empty takes every ExG channel of the board.
    preset : str
        Which of the board's tables: ``default``, ``auxiliary`` or ``ancillary``.
    config : tuple of str
        Sent to the board before streaming, in this order (BrainFlow's ``config_board``).
    rate_hz : float or None
        Where `config` sets the board to another rate than its usual one.
    serial_port, mac_address, ip_address, ip_address_aux, ip_address_anc : str
    ip_port, ip_port_aux, ip_port_anc : int
    ip_protocol : str
        ``NO_IP_PROTOCOL``, ``UDP`` or ``TCP``.
    other_info, serial_number, file, file_aux, file_anc : str
    timeout : int
        Seconds a board is given to answer.
    master_board : str
        For playback and streaming: the board whose data it is.
        All of these are BrainFlow's own connection parameters; its documentation says
        which a board needs (brainflow.readthedocs.io, "Supported Boards").
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    board: str
    channels: tuple[str, ...] = ()
    preset: Literal["default", "auxiliary", "ancillary"] = "default"
    config: tuple[str, ...] = ()
    rate_hz: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    serial_port: str = ""
    mac_address: str = ""
    ip_address: str = ""
    ip_address_aux: str = ""
    ip_address_anc: str = ""
    ip_port: int = Field(default=0, ge=0, le=65_535)
    ip_port_aux: int = Field(default=0, ge=0, le=65_535)
    ip_port_anc: int = Field(default=0, ge=0, le=65_535)
    ip_protocol: Literal["NO_IP_PROTOCOL", "UDP", "TCP"] = "NO_IP_PROTOCOL"
    other_info: str = ""
    serial_number: str = ""
    file: str = ""
    file_aux: str = ""
    file_anc: str = ""
    timeout: int = Field(default=0, ge=0, le=600)
    master_board: str = ""

    @field_validator("board", "master_board")
    @classmethod
    def _known(cls, name: str) -> str:
        if name:
            try:
                board_id(name)
            except InputError as error:
                raise ValueError(str(error)) from None
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.board in BORROWING and not self.master_board:
            raise ValueError(f"{self.board} needs master_board: the board whose data it delivers")
        if self.board == "PLAYBACK_FILE_BOARD" and not self.file:
            raise ValueError("PLAYBACK_FILE_BOARD needs file: what it is to play")
        return self

    @property
    def plays_file(self) -> bool:
        return self.board == "PLAYBACK_FILE_BOARD"

    @property
    def loops(self) -> bool:
        return self.plays_file and LOOPBACK in self.config

    @property
    def address(self) -> str:
        """What tells this board from another of its kind."""
        return self.serial_number or self.mac_address or self.serial_port or self.ip_address

    def layout(self) -> BoardLayout:
        """Rows, labels and rate of the board, or of its master.

        Raises
        ------
        InputError
            The board delivers no biopotentials in this preset.
        """
        master = self.master_board if self.board in BORROWING else self.board
        return board_layout(master, self.preset)

    def input_params(self) -> BrainFlowInputParams:
        """As BrainFlow takes them."""
        params = BrainFlowInputParams()
        for name in (set(vars(params)) & set(type(self).model_fields)) - {"master_board"}:
            setattr(params, name, getattr(self, name))
        params.ip_protocol = int(IpProtocolTypes[self.ip_protocol])
        if self.board in BORROWING:
            params.master_board = int(BoardIds[self.master_board])
        return params
