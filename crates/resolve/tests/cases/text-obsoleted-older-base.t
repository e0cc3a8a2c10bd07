# The base has what obsoletes older versions of a package.
repo system 0 testtags <inline>
#>=Pkg: all-tools 1 1 x86_64
#>=Obs: tool < 2
repo available 0 testtags <inline>
#>=Pkg: tool 1 1 x86_64
#>=Pkg: tool 3 1 x86_64
system x86_64 rpm system
job install text tool
result transaction,problems <inline>
#>install tool-3-1.x86_64@available
