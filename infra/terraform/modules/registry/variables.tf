variable "project_id" {
  description = "The project of the registry."
  type        = string
}

variable "region" {
  description = "Where images are kept."
  type        = string
}

variable "readers" {
  description = "IAM members that may pull images, such as Cloud Run's own account of another project: a name for each (any), and the member."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for member in values(var.readers) : !contains(["allUsers", "allAuthenticatedUsers"], member)])
    error_message = "Images are not for everybody."
  }
}
