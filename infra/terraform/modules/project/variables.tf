variable "project_id" {
  description = "The project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is a project's id: 6 to 30 lower case letters, digits and dashes."
  }
}

variable "unaudited_readers" {
  description = "IAM members whose reads and writes of data are not logged: the functions' accounts, which do nothing else."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for member in var.unaudited_readers : startswith(member, "serviceAccount:")])
    error_message = "What people do is always logged."
  }
}
