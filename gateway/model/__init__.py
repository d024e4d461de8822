"""The ground floor: the frozen types between the stages. Imports nothing of ours."""
